import { KEY_PREFIX } from '@fso/shared/api';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import InfoCircleIcon from '@patternfly/react-icons/dist/esm/icons/info-circle-icon';
import { Link } from '@tanstack/react-router';
import { LastKnownCluster } from '../../components/stale-state.tsx';
import type { Column } from '../../components/virtual-table.tsx';
import type { LabelDifference, LabelRow } from './label-differences.ts';

/** All of them have the same prefix, which the text above the table says. */
const shortKey = (key: string): string => key.slice(KEY_PREFIX.length);

const Labels = ({ labels }: LabelRow) =>
  labels.length === 0 ? (
    <span className="fso-muted">none</span>
  ) : (
    <ul className="fso-policies-labels">
      {labels.map(([key, value]) => (
        <li key={key}>
          <code>
            {shortKey(key)}={value}
          </code>
        </li>
      ))}
    </ul>
  );

const SAYS: Readonly<Record<LabelDifference['kind'], (difference: LabelDifference) => string>> = {
  missing: ({ expected }) => `is missing; this policy says ${expected}`,
  differs: ({ actual, expected }) => `is ${actual}; this policy says ${expected}`,
  otherPolicy: ({ actual, expected }) => `is ${actual}, which speaks for another policy; this one says ${expected}`,
};

const Difference = ({ difference }: { readonly difference: LabelDifference }) => {
  const Icon = difference.kind === 'otherPolicy' ? InfoCircleIcon : ExclamationTriangleIcon;
  return (
    <li>
      <Icon className={difference.kind === 'otherPolicy' ? 'fso-info' : 'fso-warning'} /> <code>{shortKey(difference.key)}</code>{' '}
      {SAYS[difference.kind](difference)}
    </li>
  );
};

const Differences = ({ differences }: LabelRow) =>
  differences.length === 0 ? (
    <>
      <CheckCircleIcon className="fso-success" /> none
    </>
  ) : (
    <ul className="fso-policies-labels">
      {differences.map((difference) => (
        <Difference key={difference.key} difference={difference} />
      ))}
    </ul>
  );

const Cluster = ({ cluster, fresh }: LabelRow) => (
  <>
    <Link to="/clusters/$name" params={{ name: cluster }}>
      {cluster}
    </Link>
    {fresh ? null : <LastKnownCluster cluster={cluster} />}
  </>
);

export const LABEL_COLUMNS: readonly Column<LabelRow>[] = [
  { title: 'Cluster', width: 15, cell: Cluster },
  { title: 'Namespace', width: 15, cell: ({ namespace }) => <code>{namespace}</code> },
  { title: 'Labels', width: 35, cell: Labels },
  { title: 'Differences', width: 35, cell: Differences },
];
