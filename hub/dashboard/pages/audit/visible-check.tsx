import type { AuditEntry } from '@fso/shared/api';
import { Button } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { useMutation } from '@tanstack/react-query';
import { formatNumber } from '../../lib/format.ts';
import { type ChainCheck, canCheck, checkEntries } from './chain.ts';

const resultText = ({ entries, links, broken }: ChainCheck): string =>
  broken.length === 0
    ? `${formatNumber(entries)} entries have the hashes that they should have, ${formatNumber(links)} follow the one before`
    : `Not as their hashes say: ${broken.slice(0, 10).join(', ')}${broken.length > 10 ? ` and ${broken.length - 10} more` : ''}`;

/** Computes the hashes of the entries that are here, in this browser. */
export const VisibleCheck = ({ entries }: { readonly entries: readonly AuditEntry[] }) => {
  const check = useMutation({ mutationFn: checkEntries, networkMode: 'always' });
  if (!canCheck()) return <span className="fso-muted">Hashes can be checked here when the dashboard is opened over HTTPS.</span>;
  return (
    <>
      <Button variant="link" isInline isLoading={check.isPending} onClick={() => check.mutate(entries)}>
        Check the hashes of these entries
      </Button>
      <span role="status">
        {check.data === undefined ? null : (
          <>
            {check.data.broken.length === 0 ? <CheckCircleIcon /> : <ExclamationCircleIcon />} {resultText(check.data)}
          </>
        )}
      </span>
    </>
  );
};
