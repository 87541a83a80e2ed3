import type { ClusterReport, PolicyReport } from '@fso/shared/api';
import { judgeClusterReport, judgePolicyReport } from '@fso/shared/protocol';
import type { Logger } from '@fso/shared/runtime';
import { weakMemo } from '../enforce/compare.ts';
import type { AgentSnapshot } from '../observe/types.ts';

/** Once for each report, which stays the same object as long as it says the same. */
const judged = weakMemo((report: PolicyReport) => {
  const { entry, problem } = judgePolicyReport(report);
  return problem === undefined ? { entry: report } : { entry, problem };
});

/** In the place of a policy's key. */
const CLUSTER = 'cluster';

/**
 * Holds what is about to be sent against its schema: whatever somebody managed to write into the cluster, the hub must go on hearing of
 * everything else.
 */
export class ReportCheck {
  readonly #logger: Logger;
  /** What is wrong now; each is logged once. */
  readonly #wrong = new Set<string>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** By key; what is wrong is replaced by a report with phase Failed. */
  policies({ policies }: AgentSnapshot): ReadonlyMap<string, PolicyReport> {
    const reports = new Map<string, PolicyReport>();
    for (const [key, { report }] of policies) {
      const { entry, problem } = judged(report);
      this.#note(key, problem);
      if (entry !== undefined) reports.set(key, entry);
    }
    return reports;
  }

  cluster(report: ClusterReport): ClusterReport {
    const { entry, problem } = judgeClusterReport(report);
    this.#note(CLUSTER, problem);
    return entry;
  }

  #note(key: string, problem: string | undefined): void {
    if (problem === undefined) this.#wrong.delete(key);
    else if (!this.#wrong.has(key)) {
      this.#wrong.add(key);
      this.#logger.error({ policy: key, problem }, 'report is not valid, a part of it is left out');
    }
  }
}
