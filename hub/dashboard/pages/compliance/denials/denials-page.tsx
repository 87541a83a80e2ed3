import type { DenialGrouping } from '@fso/shared/api';
import { Alert, Content } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { statusQuery } from '../../../api/queries.ts';
import { count } from '../../../lib/format.ts';
import { ComplianceFrame, Downloads, Groupings } from '../compliance-frame.tsx';
import { DenialGroups } from './denial-groups.tsx';
import { DenialsList } from './denials-list.tsx';

const route = getRouteApi('/shell/compliance/denials');

const WORDS: Readonly<Record<DenialGrouping, string>> = {
  policy: 'By policy',
  team: 'By team',
  cluster: 'By cluster',
  namespace: 'By namespace',
  owner: 'By owner',
  reason: 'By failing term',
};

/** Clusters of which not all is known never look like ones without denials. */
const UnknownClusters = () => {
  const { data: unknown = 0 } = useQuery({ ...statusQuery, select: ({ clusters }) => clusters.denialsUnknown });
  if (unknown === 0) return null;
  return (
    <Alert isInline variant="warning" component="p" title={`Not all is known of ${count(unknown, 'cluster', 'clusters')}`}>
      Agents are away, or do not read all that API servers count: the condition DenialsKnown on the page of a cluster says why. The
      downloads name these clusters.
    </Alert>
  );
};

/** Owners whose pods were refused. */
export const DenialsPage = () => {
  const { by } = route.useSearch();
  const navigate = route.useNavigate();
  const choose = (grouping: DenialGrouping | undefined): void =>
    void navigate({ search: (old) => ({ ...old, by: grouping, q: undefined, sort: undefined }) });
  return (
    <ComplianceFrame description="Owners whose pods lock 1 refused within the last hour, with the line that mends each.">
      <div className="fso-stack">
        <Content component="p" className="fso-muted">
          API servers count what they refuse. Events name the owners, and are lossy: what they do not name, as bare pods, is without an
          owner.
        </Content>
        <UnknownClusters />
        <Downloads path="/api/v1/reports/denials" />
      </div>
      <Groupings label="How denials are shown" all="All owners" texts={WORDS} by={by} onChoose={choose} />
      {by === undefined ? <DenialsList /> : <DenialGroups key={by} by={by} />}
    </ComplianceFrame>
  );
};
