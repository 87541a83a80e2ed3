import type { AuditVerificationView } from '@fso/shared/api';
import { Alert, Button, ClipboardCopy, Content, DescriptionList, List, ListItem, Title } from '@patternfly/react-core';
import SyncIcon from '@patternfly/react-icons/dist/esm/icons/sync-icon';
import { useQuery } from '@tanstack/react-query';
import { auditVerificationQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { DescriptionItem, RelativeTime } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { AuditFrame } from './audit-frame.tsx';

const Verdict = ({ ok, problems }: AuditVerificationView) =>
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

const Facts = ({ entries, head, checkpoints, witnesses, checkedAt }: AuditVerificationView) => (
  <DescriptionList isCompact isHorizontal>
    <DescriptionItem term="Checked">
      <RelativeTime time={checkedAt} />
    </DescriptionItem>
    <DescriptionItem term="Entries">{formatNumber(entries)}</DescriptionItem>
    <DescriptionItem term="Checkpoints compared">{formatNumber(checkpoints)}, signed by the hub</DescriptionItem>
    <DescriptionItem term="Agents as witnesses">
      {formatNumber(witnesses)}
      {witnesses === 0
        ? ': no agent has returned a checkpoint yet, so only the hub vouches for the log'
        : ', each with its last checkpoint'}
    </DescriptionItem>
    <DescriptionItem term="Last entry">
      {head === null ? (
        'none'
      ) : (
        <>
          {formatNumber(head.sequence)}{' '}
          <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel="Hash of the last entry">
            {head.hash}
          </ClipboardCopy>
        </>
      )}
    </DescriptionItem>
  </DescriptionList>
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
              <Verdict {...view} />
              <Facts {...view} />
            </>
          )}
        </QueryView>
        <Title headingLevel="h2" size="lg">
          Verify without trusting the hub
        </Title>
        <Content component="p">
          The result above comes from the hub itself, and an attacker who controls the hub controls it too. This command reads the whole
          log, recomputes every hash, and compares the checkpoints of the agents, on a machine of your choice:
        </Content>
        <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel="Command that verifies the log">
          npm run -s fso -- audit verify
        </ClipboardCopy>
        <Content component="small" className="fso-muted">
          You can also keep an unfiltered JSON lines export and verify it later: fso audit verify &lt;file&gt;.
        </Content>
      </div>
    </AuditFrame>
  );
};
