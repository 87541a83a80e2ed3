import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { GATOR_TOOL } from '../harness/tools.ts';
import { TESTS } from '../policy/rego/cases.ts';
import { writeSuite } from '../policy/rego/suite.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-rego-'));
  await writeSuite(folder, TESTS);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const run = promisify(execFile);

/** The output of gator, which exits with 1 if a case fails, and names it on its standard output. */
const verify = async (program: string): Promise<string> => {
  try {
    return (await run(program, ['verify', '-v', join(folder, 'suite.yaml')])).stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
};

it("passes Gatekeeper's own tests of the template", async ({ signal }) => {
  const { gator = '' } = await ensureTools({ env: process.env, log: () => undefined, modules: [GATOR_TOOL] }, signal);
  const printed = await verify(join(gator, 'gator'));
  const lines = printed.split('\n');
  expect(lines.filter((line) => /FAIL|SKIP|Error|got /.test(line)).slice(0, 20)).toEqual([]);
  const passed = lines.filter((line) => /^ {4}--- PASS: /.test(line)).length;
  expect(passed).toBe(TESTS.reduce((sum, { cases }) => sum + cases.length, 0));
});
