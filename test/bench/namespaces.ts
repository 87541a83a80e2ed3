import { SERVICE_ACCOUNT_KIND } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import type { AgentHarness } from '../harness/agent-harness.ts';
import { eventually } from '../harness/waiting.ts';

const IN_FLIGHT = 16;
const PATIENCE_MS = 300_000;

/**
 * Creates namespaces `<prefix>0`, `<prefix>1` … and waits for their service accounts. Without one a
 * namespace accepts no pods or probes. The controller manager is slow for hundreds of them, which
 * would dominate the measurement.
 */
export const makeNamespaces = async (world: AgentHarness, prefix: string, count: number): Promise<string[]> => {
  const names = Array.from({ length: count }, (_item, index) => `${prefix}${index}`);
  await mapConcurrently(names, IN_FLIGHT, (name) => world.makeNamespace(name));
  await eventually(async () => {
    const accounts = await world.client.list(SERVICE_ACCOUNT_KIND, { fieldSelector: 'metadata.name=default' }, world.signal);
    return accounts.filter(({ metadata }) => metadata.namespace?.startsWith(prefix)).length >= count;
  }, PATIENCE_MS);
  return names;
};
