export default {
  testEnvironment: 'node',
  // For a slow machine; nothing is slow by itself.
  testTimeout: 60_000,
  // Node keeps the modules of every suite that a process has run: a process with gigabytes of them only collects garbage.
  workerIdleMemoryLimit: '1GB',
  testMatch: ['<rootDir>/{test,marble-tests,pipelines}/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^monitoring-sidecar$': '<rootDir>/src/index.ts',
    '^monitoring-sidecar/testing$': '<rootDir>/src/testing/index.ts',
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type: 'es6' } },
    ],
  },
};
