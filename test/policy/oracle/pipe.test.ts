import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { LOCAL_TOOLS, readGoMod, requiredVersion, toolVersion } from '../../../clusters/toolchain/modules.ts';
import { ORACLE_TOOL } from './pipe.ts';

const toolOf = (name: string) => LOCAL_TOOLS.find((tool) => tool.name === name) ?? expect.fail(`no tool ${name}`);

it('uses the OPA version of Gatekeeper', () => {
  const opa = 'github.com/open-policy-agent/opa';
  expect(requiredVersion(readGoMod(ORACLE_TOOL), opa)).toBe(requiredVersion(readGoMod(toolOf('gatekeeper')), opa));
});

it('uses the matcher of the Kubernetes version of the local clusters', () => {
  expect(toolVersion(ORACLE_TOOL)).toBe(toolVersion(toolOf('kubernetes')).replace(/^v1\./, 'v0.'));
});

it('is built again when any of its Go files changes', () => {
  expect(ORACLE_TOOL.sources).toEqual(readdirSync(ORACLE_TOOL.dir).filter((file) => file.endsWith('.go')));
});
