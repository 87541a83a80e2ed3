import type { AuditEntry } from '@fso/shared/api';
import { ClipboardCopy, CodeBlock, CodeBlockCode, DescriptionList, Title } from '@patternfly/react-core';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { getJson } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { DescriptionItem, RelativeTime } from '../../components/text.tsx';
import { exactTime } from '../../lib/time.ts';

const EntryDetail = ({ entry }: { readonly entry: AuditEntry }) => {
  const { time, actor, from, action, subject, detail, previous, hash } = entry;
  return (
    <div className="fso-stack">
      <DescriptionList isCompact isHorizontal>
        <DescriptionItem term="Time">
          {exactTime(Date.parse(time))}, <RelativeTime time={time} />
        </DescriptionItem>
        <DescriptionItem term="Actor">{actor.id}</DescriptionItem>
        <DescriptionItem term="Kind">{actor.kind}</DescriptionItem>
        <DescriptionItem term="Roles">{actor.roles.join(', ') || 'none'}</DescriptionItem>
        <DescriptionItem term="Action">
          <code>{action}</code>
        </DescriptionItem>
        <DescriptionItem term="Subject">{subject}</DescriptionItem>
        <DescriptionItem term="From">{from ?? 'no request'}</DescriptionItem>
      </DescriptionList>
      <Title headingLevel="h3" size="md">
        Detail
      </Title>
      <CodeBlock>
        <CodeBlockCode>{JSON.stringify(detail, null, 2)}</CodeBlockCode>
      </CodeBlock>
      <Title headingLevel="h3" size="md">
        Position in the chain
      </Title>
      <Hash term="Hash of the previous entry" hash={previous} />
      <Hash term="Hash of this entry" hash={hash} />
    </div>
  );
};

const Hash = ({ term, hash }: { readonly term: string; readonly hash: string }) => (
  <div>
    <div className="fso-muted">{term}</div>
    <ClipboardCopy isReadOnly isCode hoverTip="Copy" clickTip="Copied" textAriaLabel={term}>
      {hash}
    </ClipboardCopy>
  </div>
);

const entryQuery = (sequence: string) =>
  queryOptions({
    queryKey: keys.audit.list({ sequence }),
    queryFn: ({ signal }) => getJson<AuditEntry>(`/api/v1/audit/entries/${sequence}`, {}, signal),
  });

/** The entry of this number, whatever the list beside it shows. */
export const OpenedEntry = ({ sequence }: { readonly sequence: string }) => (
  <QueryView query={useQuery(entryQuery(sequence))} what="the entry">
    {(entry) => <EntryDetail entry={entry} />}
  </QueryView>
);
