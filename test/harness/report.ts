import { writeFileSync } from 'node:fs';
import { env } from 'node:process';
import { stripVTControlCharacters } from 'node:util';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** Environment variable with the path of the report. */
export const REPORT_VARIABLE = 'FSO_TEST_REPORT';

export interface Failure {
  /** Path of the file; undefined for an error that belongs to no file. */
  readonly file: string | undefined;
  /** Names of the suites and the test, joined; empty for a failure outside of both. */
  readonly name: string;
  readonly message: string;
}

export interface Report {
  readonly passed: number;
  readonly skipped: number;
  readonly failures: readonly Failure[];
  readonly files: readonly { readonly path: string; readonly ms: number }[];
}

/**
 * Writes the {@link Report} of a run as JSON. Vitest's own lacks errors of hooks, whose tests it
 * calls skipped, and errors after the last test.
 */
export default class ReportWriter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const path = env[REPORT_VARIABLE];
    if (path !== undefined) writeFileSync(path, JSON.stringify(reportOf(modules, unhandled)));
  }
}

const reportOf = (modules: readonly TestModule[], unhandled: readonly SerializedError[]): Report => {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const count = (state: string) => tests.filter((test) => test.result().state === state).length;
  return {
    passed: count('passed'),
    skipped: count('skipped') + count('pending'),
    failures: [...modules.flatMap(failuresIn), ...unhandled.map((error) => ({ file: undefined, name: '', message: textOf(error) }))],
    files: modules.map((module) => ({ path: module.moduleId, ms: module.diagnostic().duration })),
  };
};

const failuresIn = (module: TestModule): Failure[] => {
  const failureOf = (name: string, errors: readonly SerializedError[]): Failure => ({
    file: module.moduleId,
    name,
    message: errors.map(textOf).join('\n'),
  });
  const suites = [...module.children.allSuites()].filter((suite) => suite.errors().length > 0);
  const tests = [...module.children.allTests()].filter((test) => test.result().state === 'failed');
  return [
    ...(module.errors().length > 0 ? [failureOf('', module.errors())] : []),
    ...suites.map((suite) => failureOf(suite.fullName, suite.errors())),
    ...tests.map((test) => failureOf(test.fullName, test.result().errors ?? [])),
  ];
};

const textOf = ({ message, diff = '' }: SerializedError): string => stripVTControlCharacters(`${message}\n${diff}`).trim();
