import type { ClusterView } from '@fso/shared/api';
import { Icon } from '@patternfly/react-core';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { formatNumber } from '../../lib/format.ts';

/** Worst first; phases that nothing is in are left out. */
export const PhaseCounts = ({ policies }: { readonly policies: ClusterView['policies'] }) => {
  const { total, failed, pending, active, expired } = policies;
  const rest = [
    pending > 0 ? `${formatNumber(pending)} pending` : '',
    active > 0 ? `${formatNumber(active)} active` : '',
    expired > 0 ? `${formatNumber(expired)} expired` : '',
  ].filter((text) => text !== '');
  if (total === 0) return <span className="fso-muted">none</span>;
  return (
    <>
      {failed === 0 ? null : (
        <div className="fso-nowrap">
          <Icon status="danger" isInline>
            <ExclamationCircleIcon />
          </Icon>{' '}
          <strong>{formatNumber(failed)} failed</strong>
        </div>
      )}
      {rest.map((text) => (
        <div key={text} className="fso-nowrap">
          {text}
        </div>
      ))}
    </>
  );
};
