import { isDeepStrictEqual } from 'node:util';
import type { AgentClusterReport, PolicyReport } from '@fso/shared/api';
import { judgeClusterReport, judgePolicyReport } from '@fso/shared/protocol';
import { type Logger, weakMemo } from '@fso/shared/runtime';

const judged = weakMemo((report: PolicyReport) => judgePolicyReport(report));

/**
 * Checks reports against their schema before they are sent: whatever is written into the cluster,
 * the hub must still get everything else.
 */
export class ReportCheck {
  readonly #logger: Logger;
  /**
   * Keys of the policies whose reports are invalid now, undefined for the cluster's own; each is
   * logged once.
   */
  readonly #wrong = new Set<string | undefined>();
  #cluster: { readonly report: AgentClusterReport; readonly entry: AgentClusterReport } | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * The report of a policy as its schema has it; an invalid one is replaced by a report with phase
   * Failed. The same object for the same report.
   *
   * @returns undefined: nothing of it is of use
   */
  policy(key: string, report: PolicyReport): PolicyReport | undefined {
    const { entry, problem } = judged(report);
    this.#note(key, problem);
    return entry;
  }

  /** The same object as long as it says the same. */
  cluster(report: AgentClusterReport): AgentClusterReport {
    if (this.#cluster !== undefined && isDeepStrictEqual(report, this.#cluster.report)) return this.#cluster.entry;
    const { entry, problem } = judgeClusterReport(report);
    this.#cluster = { report, entry };
    this.#note(undefined, problem);
    return entry;
  }

  #note(policy: string | undefined, problem: string | undefined): void {
    if (problem === undefined) this.#wrong.delete(policy);
    else if (!this.#wrong.has(policy)) {
      this.#wrong.add(policy);
      this.#logger.error({ policy, problem }, 'report is not valid, a part of it is left out');
    }
  }
}
