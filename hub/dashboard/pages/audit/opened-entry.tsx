import type { AuditEntry } from '@fso/shared/api';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { getJson } from '../../api/client.ts';
import { keys } from '../../api/keys.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { EntryDetail } from './entry-detail.tsx';

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
