import type { LockCounts, LockState } from '@fso/shared/api';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import LockIcon from '@patternfly/react-icons/dist/esm/icons/lock-icon';
import MinusCircleIcon from '@patternfly/react-icons/dist/esm/icons/minus-circle-icon';
import type { ComponentType } from 'react';
import { summariseLock } from './lock-counts.ts';

const ICONS: Readonly<Record<LockState, ComponentType<{ className?: string }>>> = {
  Enforced: LockIcon,
  Pending: HourglassHalfIcon,
  Degraded: ExclamationCircleIcon,
  Unavailable: ExclamationTriangleIcon,
  NotApplicable: MinusCircleIcon,
};

interface LockCountProps {
  /** Which lock, e.g. `Lock 1`. */
  readonly lock: string;
  readonly counts: LockCounts;
  readonly total: number;
}

/** In how many clusters a lock is enforced, and what it is in the others. */
export const LockCount = ({ lock, counts, total }: LockCountProps) => {
  const { worst, text, rest } = summariseLock(counts, total);
  const Icon = worst === null ? HourglassHalfIcon : ICONS[worst];
  return (
    <div className="fso-lock-count">
      <Icon className={`fso-lock-${worst ?? 'Pending'}`} />
      <span>
        <span className="fso-muted">{lock}</span> {text}
        {rest.length === 0 ? null : <span className="fso-lock-rest">{rest.join(', ')}</span>}
      </span>
    </div>
  );
};
