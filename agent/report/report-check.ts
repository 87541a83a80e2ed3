import { isDeepStrictEqual } from 'node:util';
import type { AgentClusterReport, PolicyReport } from '@fso/shared/api';
import { judgeClusterReport, judgePolicyReport } from '@fso/shared/protocol';
import { type Logger, weakMemo } from '@fso/shared/runtime';

const judged = weakMemo((report: PolicyReport) => judgePolicyReport(report));

/**
 * Checks reports against their schema before they are sent. A value in the cluster that breaks a
 * report must not keep the hub from getting the others.
 */
export class ReportCheck {
  readonly #logger: Logger;
  /**
   * Keys of the policies whose reports are currently invalid; undefined for the report of the
   * cluster. Each is logged once.
   */
  readonly #wrong = new Set<string | undefined>();
  #cluster: { readonly report: AgentClusterReport; readonly entry: AgentClusterReport } | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /**
   * Validates the report of a policy. An invalid one is replaced by a report with phase Failed.
   * Memoized by identity.
   *
   * @returns undefined if nothing of it is usable
   */
  policy(key: string, report: PolicyReport): PolicyReport | undefined {
    const { entry, problem } = judged(report);
    this.#note(key, problem);
    return entry;
  }

  /** Validates the report of the cluster: the same object while its content is unchanged. */
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
