import type { CommitSummary } from '@fso/shared/api';
import { Icon } from '@patternfly/react-core';
import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import { formatNumber } from '../../lib/format.ts';

/** In how many of the clusters it is proven; those that refused it are named. */
export const ProvenBar = ({ clusters: { proven, total, refused } }: Pick<CommitSummary, 'clusters'>) =>
  total === 0 ? (
    <span className="fso-muted">no cluster</span>
  ) : (
    <>
      <span className="fso-nowrap">
        {formatNumber(proven)} of {formatNumber(total)}
      </span>
      <span className="fso-bar" aria-hidden>
        <span className="fso-bar-part" style={{ inlineSize: `${(100 * proven) / total}%` }} />
      </span>
      {refused === 0 ? null : (
        <div className="fso-nowrap">
          <Icon status="danger" isInline>
            <BanIcon />
          </Icon>{' '}
          {formatNumber(refused)} refused
        </div>
      )}
    </>
  );
