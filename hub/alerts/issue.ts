import type { AlertLabels, AlertName, AlertSeverity } from '@fso/shared/api';

/** Something that is wrong with the hub, a cluster or a policy now. One that lasts becomes an alert. */
export interface Issue {
  readonly alert: AlertName;
  readonly severity: AlertSeverity;
  readonly labels: AlertLabels;
  /** For people, with values that clusters chose: to be escaped wherever it is shown. */
  readonly problem: string;
  /** RFC 3339; null: not known. */
  readonly since: string | null;
  /** false: it is as a cluster that is not connected reported it last. It may have ended since, and another one may have begun. */
  readonly isCurrent: boolean;
}
