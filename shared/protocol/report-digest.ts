import { createHash } from 'node:crypto';
import { type PolicyReport, policyKey } from '../api/index.ts';
import { byText, canonicalJson } from '../encoding/index.ts';

/**
 * sha256 (hex) over what is known of a cluster's policies. Agent and hub compute it each on its own, so it depends
 * neither on the order of the reports nor on the order of their fields.
 */
export const digestOfReports = (policies: Iterable<PolicyReport>): string => {
  const lines = [...policies].map((report) => [policyKey(report), canonicalJson(report)] as const);
  const hash = createHash('sha256');
  for (const [key, text] of lines.sort(([left], [right]) => byText(left, right))) hash.update(`${key} ${text}\n`);
  return hash.digest('hex');
};
