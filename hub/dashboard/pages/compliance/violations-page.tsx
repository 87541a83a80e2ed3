import { VIOLATION_GROUPS, type ViolationGrouping } from '@fso/shared/api';
import { ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import { getRouteApi } from '@tanstack/react-router';
import { ComplianceFrame } from './compliance-frame.tsx';
import { GroupsTable } from './groups-table.tsx';
import { ViolationsList } from './violations-list.tsx';

const route = getRouteApi('/shell/compliance');

const WORDS: Readonly<Record<ViolationGrouping, string>> = {
  policy: 'By policy',
  cluster: 'By cluster',
  namespace: 'By namespace',
  workload: 'By workload',
  region: 'By region',
};

export const ViolationsPage = () => {
  const { by } = route.useSearch();
  const navigate = route.useNavigate();
  const choose = (grouping: ViolationGrouping | undefined): void =>
    void navigate({ search: (old) => ({ ...old, by: grouping, q: undefined, open: undefined }) });
  return (
    <ComplianceFrame description="Which workloads are outside of their allowed regions, and why?">
      <ToggleGroup aria-label="How violations are shown" className="fso-groupings">
        <ToggleGroupItem text="All violations" buttonId="list" isSelected={by === undefined} onChange={() => choose(undefined)} />
        {VIOLATION_GROUPS.map((grouping) => (
          <ToggleGroupItem
            key={grouping}
            text={WORDS[grouping]}
            buttonId={`by-${grouping}`}
            isSelected={by === grouping}
            onChange={() => choose(grouping)}
          />
        ))}
      </ToggleGroup>
      {by === undefined ? <ViolationsList /> : <GroupsTable key={by} by={by} />}
    </ComplianceFrame>
  );
};
