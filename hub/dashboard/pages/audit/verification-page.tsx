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
    <Alert isInline variant="success" title="The log is intact, as the hub finds" component="p">
      Every entry has the hash that it should have, follows the one before, and agrees with every checkpoint compared.
    </Alert>
  ) : (
    <Alert isInline variant="danger" title="The log is not what it was: it has been changed, cut off or replaced" component="p">
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
        ? ': no agent has given a checkpoint back yet, so nobody but the hub speaks for the log'
        : ', each with the last checkpoint that it keeps'}
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
    <AuditFrame description="Has anybody changed the record since it was written?">
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
          Without believing the hub
        </Title>
        <Content component="p">
          What stands above is the hub's own word: somebody who controls the hub could make it say anything. This command reads the whole
          log, computes every hash anew, and compares the checkpoints that agents keep, on a machine of your choice:
        </Content>
        <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel="Command that verifies the log">
          npm run -s fso -- audit verify
        </ClipboardCopy>
        <Content component="small" className="fso-muted">
          An export as JSON lines without filters can be kept elsewhere and verified later: fso audit verify &lt;file&gt;.
        </Content>
      </div>
    </AuditFrame>
  );
};
