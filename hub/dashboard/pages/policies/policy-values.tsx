import type { LockCounts, LockState } from '@fso/shared/api';
import { Button } from '@patternfly/react-core';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import HourglassEndIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-end-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import LockIcon from '@patternfly/react-icons/dist/esm/icons/lock-icon';
import MinusCircleIcon from '@patternfly/react-icons/dist/esm/icons/minus-circle-icon';
import { type ComponentType, useState } from 'react';
import { RelativeTime } from '../../components/text.tsx';
import { type Filter, optionsOf } from '../../lib/filters.ts';
import { truncateList } from '../../lib/format.ts';
import { expiryOf } from '../../lib/health.ts';
import { useNow } from '../../lib/time.ts';
import { summariseLock } from './lock-counts.ts';

const MAX_REGIONS = 2;

interface AllowedRegionsProps {
  /** Regions as written, groups not expanded. */
  readonly allowed: readonly string[];
  readonly effective: readonly string[];
}

const Written = ({ allowed, isOpen }: { readonly allowed: readonly string[]; readonly isOpen: boolean }) => {
  const { shown, hidden } = isOpen ? { shown: allowed, hidden: 0 } : truncateList(allowed, MAX_REGIONS);
  return (
    <div>
      {shown.join(', ')}
      {hidden > 0 ? <span className="fso-muted"> and {hidden} more</span> : null}
    </div>
  );
};

/** Regions as the policy names them, and on demand all that they resolve to. */
export const AllowedRegions = ({ allowed, effective }: AllowedRegionsProps) => {
  const [isOpen, setOpen] = useState(false);
  const says = `${effective.length} ${effective.length === 1 ? 'region' : 'regions'}`;
  const isWhole = allowed.length <= MAX_REGIONS + 1 && !allowed.some((region) => region.startsWith('group:'));
  return (
    <div>
      <Written allowed={allowed} isOpen={isOpen} />
      {isWhole ? null : (
        <Button variant="link" isInline size="sm" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? `Hide the ${says}` : says}
        </Button>
      )}
      {isOpen ? <div className="fso-muted">{effective.join(', ') || 'none'}</div> : null}
    </div>
  );
};

const MINUTE_MS = 60_000;

/** Expiry of a policy, marked if it is near or past. */
export const Expires = ({ date }: { readonly date: string | undefined }) => {
  const now = useNow(MINUTE_MS);
  const expiry = expiryOf(date, now);
  if (expiry === 'never') return <span className="fso-muted">never</span>;
  return (
    <span>
      {expiry === 'soon' ? <ExclamationTriangleIcon className="fso-warning" /> : null}
      {expiry === 'past' ? <HourglassEndIcon /> : null} <RelativeTime time={date} />
      {expiry === 'soon' ? <span className="fso-muted"> (soon)</span> : null}
    </span>
  );
};

const ICONS: Readonly<Record<LockState, ComponentType<{ className?: string }>>> = {
  Enforced: LockIcon,
  Pending: HourglassHalfIcon,
  Degraded: ExclamationCircleIcon,
  Unavailable: ExclamationTriangleIcon,
  NotApplicable: MinusCircleIcon,
};

interface LockCountProps {
  /** Name of the lock, e.g. `Lock 1`. */
  readonly lock: string;
  readonly counts: LockCounts;
  readonly total: number;
}

/** Number of clusters in which a lock is enforced, and its states in the others. */
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

export const PHASE_FILTER: Filter = {
  name: 'phase',
  label: 'Phase',
  options: optionsOf({ Failed: 'Failed', Pending: 'Pending', Active: 'Active', Expired: 'Expired' }),
};
