import type { RegionList, RegionView } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import { byText } from '@fso/shared/encoding';
import type { ClusterEntry } from '../cluster-entry.ts';
import type { Fleet } from '../fleet-index.ts';
import { regionsOf } from './clusters.ts';

/** Where policies allow something, clusters are, nodes stand and violations run. */

const groupsOf = (set: PolicySet | undefined, region: string): string[] =>
  (set?.regionGroups ?? [])
    .filter(({ document }) => document.spec.regions.includes(region))
    .map(({ document }) => document.metadata.name)
    .sort(byText);

type Regions = (region: string) => RegionView;

const addPolicies = (fleet: Fleet, at: Regions): void => {
  for (const { head } of fleet.policies()) for (const region of head()?.effectiveRegions ?? []) at(region).policies += 1;
};

const nodesOf = ({ record: { report } }: ClusterEntry): [string, number][] => Object.entries(report?.nodesByRegion ?? {});

const addClusters = (fleet: Fleet, at: Regions): void => {
  for (const cluster of fleet.members()) {
    for (const region of regionsOf(cluster)) at(region).clusters.push(cluster.record.name);
    for (const [region, nodes] of nodesOf(cluster)) if (region !== '' && nodes > 0) at(region).nodes += nodes;
  }
};

const addViolations = (fleet: Fleet, at: Regions): void => {
  for (const { view } of fleet.violations()) if (view.region !== undefined) at(view.region).violations += 1;
};

export const regionList = (fleet: Fleet): RegionList => {
  const set = fleet.desired()?.set;
  const regions = new Map<string, RegionView>();
  const at: Regions = (region) => {
    const view = regions.get(region) ?? { region, groups: groupsOf(set, region), policies: 0, clusters: [], nodes: 0, violations: 0 };
    regions.set(region, view);
    return view;
  };
  for (const add of [addPolicies, addClusters, addViolations]) add(fleet, at);
  return {
    items: [...regions.values()].sort((a, b) => byText(a.region, b.region)),
    nodesWithoutRegion: fleet.members().reduce((sum, { record }) => sum + (record.report?.nodesByRegion[''] ?? 0), 0),
  };
};
