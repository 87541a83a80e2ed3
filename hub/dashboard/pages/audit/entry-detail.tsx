import type { AuditEntry } from '@fso/shared/api';
import { CodeBlock, CodeBlockCode } from '@patternfly/react-core';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { getJson } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { Copyable } from '../../components/buttons.tsx';
import { QueryView } from '../../components/empty-states.tsx';
import { Facts, Heading, RelativeTime } from '../../components/text.tsx';
import { exactTime } from '../../lib/time.ts';

const EntryDetail = ({ entry }: { readonly entry: AuditEntry }) => {
  const { time, actor, from, action, subject, detail, previous, hash } = entry;
  return (
    <div className="fso-stack">
      <Facts
        facts={{
          Time: (
            <>
              {exactTime(Date.parse(time))}, <RelativeTime time={time} />
            </>
          ),
          Actor: actor.id,
          Kind: actor.kind,
          Roles: actor.roles.join(', ') || 'none',
          Action: <code>{action}</code>,
          Subject: subject,
          From: from ?? 'no request',
        }}
      />
      <Heading>Detail</Heading>
      <CodeBlock>
        <CodeBlockCode>{JSON.stringify(detail, null, 2)}</CodeBlockCode>
      </CodeBlock>
      <Heading>Position in the chain</Heading>
      <Hash term="Hash of the previous entry" hash={previous} />
      <Hash term="Hash of this entry" hash={hash} />
    </div>
  );
};

const Hash = ({ term, hash }: { readonly term: string; readonly hash: string }) => (
  <div>
    <div className="fso-muted">{term}</div>
    <Copyable label={term}>{hash}</Copyable>
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
