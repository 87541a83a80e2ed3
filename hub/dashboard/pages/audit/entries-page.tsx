import type { AuditEntry, Page } from '@fso/shared/api';
import { listText } from '@fso/shared/text';
import { Button, CodeBlock, CodeBlockCode } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { queryOptions, useMutation, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { getJson } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { auditQuery } from '../../api/queries.ts';
import { Copyable } from '../../components/buttons.tsx';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { RevisionLink } from '../../components/links.tsx';
import { type Column, SearchableTable } from '../../components/tables/data-table.tsx';
import { Facts, Heading, RelativeTime } from '../../components/text.tsx';
import { CLUSTER_FILTER, type Filter, suggestionsOf, useSearchChange } from '../../lib/filters.ts';
import { formatNumber } from '../../lib/format.ts';
import { exactTime } from '../../lib/time.ts';
import { AuditFrame } from './audit-frame.tsx';
import { type ChainCheck, canCheck, checkEntries } from './chain.ts';
import { Exports, NewRowsButton, PeriodFilter, useBounds } from './list-tools.tsx';
import { PERIOD } from './period.ts';
import { useGrowingList } from './use-growing-list.ts';

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

/** Entry with a number, also if the list beside it does not contain it. */
const OpenedEntry = ({ sequence }: { readonly sequence: string }) => (
  <QueryView query={useQuery(entryQuery(sequence))} what="the entry">
    {(entry) => <EntryDetail entry={entry} />}
  </QueryView>
);

const resultText = ({ entries, links, broken }: ChainCheck): string =>
  broken.length === 0
    ? `${formatNumber(entries)} entries have the expected hash, ${formatNumber(links)} follow the previous entry`
    : `Hash mismatch: ${listText(broken.map(String))}`;

/** Verifies the hashes of the loaded entries in this browser. */
const HashCheck = ({ entries }: { readonly entries: readonly AuditEntry[] }) => {
  const check = useMutation({ mutationFn: checkEntries, networkMode: 'always' });
  if (!canCheck()) return <span className="fso-muted">Open the dashboard over HTTPS to check hashes here.</span>;
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

const route = getRouteApi('/shell/audit');

/** Suggested actions. Others can be typed. */
const ACTIONS = [
  'revision.accept',
  'revision.reject',
  'desired.set',
  'hub.start',
  'webhook.accept',
  'access.login',
  'access.logout',
  'access.deny',
  'token.create',
  'records.import',
  'audit.key.changed',
];

/** Pattern of commit ids, which are shown short with a link to their progress. */
const COMMIT = /^[0-9a-f]{40}([0-9a-f]{24})?$/;

const filtersFor = (rows: readonly AuditEntry[]): readonly Filter[] => [
  { name: 'actor', label: 'Actor', suggestions: suggestionsOf(rows.map(({ actor }) => actor.id)) },
  { name: 'action', label: 'Action', suggestions: suggestionsOf([...ACTIONS, ...rows.map(({ action }) => action)]) },
  { name: 'policy', label: 'Policy' },
  CLUSTER_FILTER,
  { name: 'subject', label: 'Subject' },
];

const columnsOf = (onOpen: (entry: AuditEntry) => void): readonly Column<AuditEntry>[] => [
  {
    title: 'Entry',
    width: 10,
    cell: (entry) => (
      <Button variant="link" isInline onClick={() => onOpen(entry)} aria-label={`Entry ${formatNumber(entry.sequence)} in full`}>
        {formatNumber(entry.sequence)}
      </Button>
    ),
  },
  { title: 'Time', width: 15, cell: ({ time }) => <RelativeTime time={time} /> },
  {
    title: 'Actor',
    width: 20,
    cell: ({ actor: { kind, id, roles } }) => (
      <div>
        {id}
        <div className="fso-muted">{[kind, ...roles].join(' · ')}</div>
      </div>
    ),
  },
  { title: 'Action', width: 20, cell: ({ action }) => <code>{action}</code> },
  { title: 'Subject', cell: ({ subject }) => (COMMIT.test(subject) ? <RevisionLink revision={subject} /> : subject) },
  { title: 'From', width: 10, cell: ({ from }) => from ?? <span className="fso-muted">no request</span> },
];

export const EntriesPage = () => {
  const { open, span, since, until, ...filters } = route.useSearch();
  const change = useSearchChange();
  const params = { ...filters, ...useBounds({ span, since, until }) };
  const isFiltered = Object.values(params).some((value) => value !== undefined);
  const { query, rows, held, showHeld, onScrollCapture } = useGrowingList<AuditEntry>({
    list: auditQuery(params),
    readNewest: (signal) => getJson<Page<AuditEntry>>('/api/v1/audit', { ...params, limit: 100 }, signal),
    idOf: ({ sequence }) => sequence,
    isCounted: !isFiltered,
    polls: true,
  });
  return (
    <AuditFrame description="Who did what, with hashes that reveal later changes.">
      <SearchableTable
        toolbar={{ filters: filtersFor(rows), besides: PERIOD }}
        table={{
          label: 'Audit log',
          noun: isFiltered && query.hasNextPage ? ['entry loaded', 'entries loaded'] : ['entry', 'entries'],
          query,
          columns: columnsOf(({ sequence }) => change({ open: String(sequence) })),
          rowKey: ({ sequence }) => String(sequence),
          onScrollCapture,
        }}
        values={{ ...filters, span, since, until }}
        none={<Empty title="No entries" />}
        noMatch="No entry matches"
        detail={
          open === undefined ? null : { key: open, title: `Entry ${formatNumber(Number(open))}`, content: <OpenedEntry sequence={open} /> }
        }
      >
        <div className="fso-table-note">
          <PeriodFilter period={{ span, since, until }} onChange={change} />
          <HashCheck entries={rows} />
          <NewRowsButton held={held} noun={['entry', 'entries']} onShow={showHeld} />
          <Exports path="/api/v1/audit/export" params={params} />
        </div>
      </SearchableTable>
    </AuditFrame>
  );
};
