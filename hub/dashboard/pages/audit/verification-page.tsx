import type { AuditVerificationView } from '@fso/shared/api';
import { Alert, Button, Content, List, ListItem } from '@patternfly/react-core';
import SyncIcon from '@patternfly/react-icons/dist/esm/icons/sync-icon';
import { useQuery } from '@tanstack/react-query';
import { auditVerificationQuery } from '../../api/queries.ts';
import { Copyable } from '../../components/buttons.tsx';
import { QueryView } from '../../components/empty-states.tsx';
import { Facts, Heading, RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { AuditFrame } from './audit-frame.tsx';

const VerificationResult = ({ ok, problems }: AuditVerificationView) =>
  ok ? (
    <Alert isInline variant="success" title="The hub finds the log intact" component="p">
      Every entry has the expected hash, follows the previous entry, and agrees with every checkpoint.
    </Alert>
  ) : (
    <Alert isInline variant="danger" title="The log was changed, truncated or replaced" component="p">
      <List>
        {problems.map(({ sequence, message }) => (
          <ListItem key={`${sequence} ${message}`}>
            {sequence === null ? '' : `Entry ${formatNumber(sequence)}: `}
            {message}
          </ListItem>
        ))}
      </List>
      {problems.length >= 100 ? 'The first 100 problems are listed.' : null}
    </Alert>
  );

const LastEntry = ({ sequence, hash }: NonNullable<AuditVerificationView['head']>) => (
  <>
    {formatNumber(sequence)} <Copyable label="Hash of the last entry">{hash}</Copyable>
  </>
);

const witnessText = (witnesses: number): string =>
  witnesses === 0
    ? '0: no agent has returned a checkpoint yet, so only the hub vouches for the log'
    : `${formatNumber(witnesses)}, each with its last checkpoint`;

const VerificationFacts = ({ entries, head, checkpoints, witnesses, checkedAt }: AuditVerificationView) => (
  <Facts
    facts={{
      Checked: <RelativeTime time={checkedAt} />,
      Entries: formatNumber(entries),
      'Checkpoints compared': `${formatNumber(checkpoints)}, signed by the hub`,
      'Agents as witnesses': witnessText(witnesses),
      'Last entry': head === null ? 'none' : <LastEntry {...head} />,
    }}
  />
);

export const VerificationPage = () => {
  const query = useQuery(auditVerificationQuery);
  return (
    <AuditFrame description="Whether the audit log was changed after it was written.">
      <div className="fso-stack">
        <div>
          <Button variant="secondary" icon={<SyncIcon />} isLoading={query.isFetching} onClick={() => void query.refetch()}>
            Verify again
          </Button>
        </div>
        <QueryView query={query} what="the verification">
          {(view) => (
            <>
              <VerificationResult {...view} />
              <VerificationFacts {...view} />
            </>
          )}
        </QueryView>
        <Heading level={2}>Verify without trusting the hub</Heading>
        <Content component="p">
          The result above comes from the hub itself, and an attacker who controls the hub controls it too. This command reads the whole
          log, recomputes every hash, and compares the checkpoints of the agents, on a machine of your choice:
        </Content>
        <Copyable label="Command that verifies the log">npm run -s fso -- audit verify</Copyable>
        <Content component="small" className="fso-muted">
          You can also keep an unfiltered JSON lines export and verify it later: fso audit verify &lt;file&gt;.
        </Content>
      </div>
    </AuditFrame>
  );
};
