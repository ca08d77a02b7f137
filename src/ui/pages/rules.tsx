import { count } from '../format.ts';
import { State } from '../parts.tsx';
import type { Rule } from '../shapes.ts';
import { visible } from '../visible.ts';

/** What the two names that are no source's stand for. */
const EVERY: ReadonlyMap<string, string> = new Map([
  ['all', 'every source'],
  ['default', 'sources without rules of their own'],
]);

/** `key: value` of each member; lists by commas. */
const membersOf = (object: Readonly<Record<string, unknown>>) =>
  Object.entries(object).map(([key, value]) => `${key}: ${textOf(value)}`);

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

const rowOf = (source: string, rule: Rule) => {
  const takes = membersOf(rule.filter ?? {});
  const operators = rule.operators.map(({ use }) => use);
  const settings = membersOf(rule.config);
  const text = [source, rule.backend, ...takes, ...operators, ...settings].join(' ').toLowerCase();
  return { source, rule, takes, operators, settings, text };
};

/** So many are shown without being asked for. */
const FEW = 12;

/** The rules in force that have `wanted` in them, in order of the configuration. */
export function Rules(props: { routing: Readonly<Record<string, readonly Rule[]>>; wanted: string }) {
  const { routing, wanted } = props;
  const all = Object.entries(routing).flatMap(([source, rules]) => rules.map((rule) => rowOf(source, rule)));
  const shown = all.filter(({ text }) => text.includes(wanted.toLowerCase()));
  return (
    <details class="rules" open={wanted !== '' || all.length <= FEW}>
      <summary>
        <h2>Rules in force</h2> <span class="dim">{countOf(shown.length, all.length)}</span>
      </summary>
      {shown.length === 0 ? <p class="dim">{noneOf(all.length, wanted)}</p> : <Table rows={shown} />}
    </details>
  );
}

const countOf = (shown: number, all: number) =>
  shown === all ? count(all) : `${count(shown)} of ${count(all)}`;

const Table = ({ rows }: { rows: readonly ReturnType<typeof rowOf>[] }) => (
  <div class="scroll">
    <table>
      <thead>
        <tr>
          {['Source', 'Backend', 'Takes', 'Operators', 'With'].map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ source, rule, takes, operators, settings }, at) => (
          <tr key={at}>
            <th scope="row">
              {visible(source)} {EVERY.has(source) && <span class="dim">{EVERY.get(source)}</span>}
            </th>
            <td>
              <a href="/health">{visible(rule.backend)}</a> {!rule.enabled && <State state="disabled" />}
            </td>
            <td>{takes.length === 0 ? <span class="dim">everything</span> : visible(takes.join(' · '))}</td>
            <td>{visible(operators.join(' → '))}</td>
            <td>{visible(settings.join(' · '))}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

function noneOf(rules: number, wanted: string): string {
  if (rules === 0) return 'There is no rule: what is received is counted, and goes nowhere.';
  return `No rule has “${visible(wanted)}” in it. A source without rules of its own has those of default, and every source those of all.`;
}
