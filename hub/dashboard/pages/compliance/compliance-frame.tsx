import { Button, Flex, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import DownloadIcon from '@patternfly/react-icons/dist/esm/icons/download-icon';
import { useQuery } from '@tanstack/react-query';
import type { ComponentProps } from 'react';
import { urlOf } from '../../api/client.ts';
import { statusQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { Page } from '../../components/page-header.tsx';
import { count } from '../../lib/format.ts';

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

/** Links to a report as files. */
export const Downloads = ({ path }: { readonly path: string }) => (
  <Flex>
    {(['csv', 'json'] as const).map((format) => (
      <Button key={format} component="a" href={urlOf(path, { format })} download variant="secondary" icon={<DownloadIcon />}>
        {format.toUpperCase()}
      </Button>
    ))}
  </Flex>
);

interface GroupingsProps<G extends string> {
  /** Accessible name. */
  readonly label: string;
  /** Text for the list itself. */
  readonly all: string;
  readonly texts: Readonly<Record<G, string>>;
  /** undefined: the list itself. */
  readonly by: G | undefined;
  readonly onChoose: (by: G | undefined) => void;
}

/** Chooses between a list and its groups. */
export const Groupings = <G extends string>({ label, all, texts, by, onChoose }: GroupingsProps<G>) => (
  <ToggleGroup aria-label={label} className="fso-groupings">
    <ToggleGroupItem text={all} buttonId="list" isSelected={by === undefined} onChange={() => onChoose(undefined)} />
    {(Object.keys(texts) as G[]).map((grouping) => (
      <ToggleGroupItem
        key={grouping}
        text={texts[grouping]}
        buttonId={`by-${grouping}`}
        isSelected={by === grouping}
        onChange={() => onChoose(grouping)}
      />
    ))}
  </ToggleGroup>
);

/** State without reported violations, which is good only as far as clusters are connected. */
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
