import { count } from '@fso/shared/text';
import { Alert, Button, Content, Flex, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import DownloadIcon from '@patternfly/react-icons/dist/esm/icons/download-icon';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ComponentProps, ReactNode } from 'react';
import { urlOf } from '../../api/client.ts';
import { statusQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { Page } from '../../components/page-header.tsx';
import type { Values } from '../../lib/filters.ts';

const PAGES = [
  { to: '/compliance', text: 'Violations' },
  { to: '/compliance/risks', text: 'Risks' },
  { to: '/compliance/denials', text: 'Denials' },
  { to: '/compliance/checker', text: 'Pod affinity checker' },
  { to: '/compliance/report', text: 'Issue report' },
] as const;

export const ComplianceFrame = (page: Omit<ComponentProps<typeof Page>, 'title'>) => (
  <Page title="Compliance" parts={['Compliance pages', PAGES]} {...page} />
);

interface GroupingsProps<G extends string> {
  /** Accessible name. */
  readonly label: string;
  /** Text for the ungrouped list. */
  readonly all: string;
  readonly titles: Readonly<Record<G, string>>;
  /** Undefined for the ungrouped list. */
  readonly by: G | undefined;
  /**
   * Search parameter that is cleared, together with the search, because it has no meaning in
   * another view.
   */
  readonly clears: 'open' | 'sort';
}

/** Buttons to choose between a list and its groups. */
export const Groupings = <G extends string>({ label, all, titles, by, clears }: GroupingsProps<G>) => {
  const navigate = useNavigate();
  const choose = (grouping: G | undefined): void =>
    void navigate({ to: '.', search: (old: Values) => ({ ...old, by: grouping, q: undefined, [clears]: undefined }) as never });
  return (
    <ToggleGroup aria-label={label} className="fso-groupings">
      <ToggleGroupItem text={all} buttonId="list" isSelected={by === undefined} onChange={() => choose(undefined)} />
      {(Object.keys(titles) as G[]).map((grouping) => (
        <ToggleGroupItem
          key={grouping}
          text={`By ${titles[grouping].toLowerCase()}`}
          buttonId={`by-${grouping}`}
          isSelected={by === grouping}
          onChange={() => choose(grouping)}
        />
      ))}
    </ToggleGroup>
  );
};

interface OwnersFrameProps<G extends string> extends Pick<GroupingsProps<G>, 'titles' | 'by'> {
  readonly what: 'risks' | 'denials';
  readonly description: string;
  /** Explanation of the page. */
  readonly about: string;
  /** Reason why not everything is known of a connected cluster. */
  readonly unknown: string;
  readonly children: ReactNode;
}

/**
 * Page of findings about owners. Incompletely known clusters must not look like clusters without
 * findings.
 */
export const OwnersFrame = <G extends string>({ what, description, about, unknown, titles, by, children }: OwnersFrameProps<G>) => {
  const { data: clusters = 0 } = useQuery({ ...statusQuery, select: (status) => status.clusters[`${what}Unknown`] });
  return (
    <ComplianceFrame description={description}>
      <div className="fso-stack">
        <Content component="p" className="fso-muted">
          {about}
        </Content>
        {clusters > 0 && (
          <Alert isInline variant="warning" component="p" title={`Not all is known of ${count(clusters, 'cluster', 'clusters')}`}>
            Agents are away, or {unknown} on the page of a cluster says why. The downloads name these clusters.
          </Alert>
        )}
        <Flex>
          {(['csv', 'json'] as const).map((format) => (
            <Button
              key={format}
              component="a"
              href={urlOf(`/api/v1/reports/${what}`, { format })}
              download
              variant="secondary"
              icon={<DownloadIcon />}
            >
              {format.toUpperCase()}
            </Button>
          ))}
        </Flex>
      </div>
      <Groupings label={`How ${what} are shown`} all="All owners" titles={titles} by={by} clears="sort" />
      {children}
    </ComplianceFrame>
  );
};

/** Text for no reported violations, which is only certain for connected clusters. */
export const NoViolations = () => {
  const { data: silent, isSuccess } = useQuery({
    ...statusQuery,
    select: ({ clusters: { total, connected } }) => total - connected,
  });
  if (!isSuccess) return <Empty title="No known violations">The connection of the clusters is unknown.</Empty>;
  return silent === 0 ? (
    <Empty title="No violations">Every workload that agents see runs in an allowed region.</Empty>
  ) : (
    <Empty title="No known violations">
      {count(silent, 'cluster is', 'clusters are')} not connected, so what runs there now is unknown.
    </Empty>
  );
};
