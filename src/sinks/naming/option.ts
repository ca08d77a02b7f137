import { z } from 'zod';
import { FIELDS, type Field } from './field.ts';
import { compileTemplate } from './template.ts';

/** A template in the configuration, checked; comes out as it was written. */
export const template = (fields: readonly Field[] = FIELDS) =>
  z
    .string()
    .min(1)
    .check(({ value, issues }) => {
      try {
        compileTemplate(value, fields);
      } catch (error) {
        issues.push({ code: 'custom', message: (error as Error).message, input: value });
      }
    });
