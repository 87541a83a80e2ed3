import type { Logger } from '@fso/shared/runtime';
import { notKeptText } from '@fso/shared/text';
import type { AgentBudget } from '../pacing/agent-budget.ts';
import type { DeliveryDeps } from '../types.ts';

interface ReportingCluster {
  readonly cluster: string;
  readonly budget: AgentBudget;
  readonly deps: Pick<DeliveryDeps, 'ledger' | 'clock'>;
  readonly logger: Logger;
}

/**
 * Writes an event, once in a while, that the hub does not keep all that a cluster reports. A
 * cluster that reports too much is kept back.
 */
export const noteNotKept = async ({ cluster, budget, deps, logger }: ReportingCluster): Promise<void> => {
  const policies = (await deps.ledger.cluster(cluster))?.notKept ?? null;
  if (policies === null || !budget.mayTellNotKept()) return;
  budget.strikes.add();
  logger.warn({ policies }, 'policies of a cluster are not kept');
  const message = notKeptText(policies);
  await deps.ledger.addEvent(cluster, { time: deps.clock.now().toISOString(), severity: 'warning', reason: 'ReportsDropped', message });
};
