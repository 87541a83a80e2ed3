import { STATE_TEXTS } from './map-regions.ts';
import { StateShape } from './state-shape.tsx';

/** What the shapes mean. */
export const MapLegend = () => (
  <figcaption>
    <ul className="fso-map-legend" aria-label="What the shapes mean">
      <li>
        <StateShape state="violated" /> {STATE_TEXTS.violated}: a pod runs there that a policy forbids
      </li>
      <li>
        <StateShape state="inUse" /> {STATE_TEXTS.inUse}: clusters or nodes are there
      </li>
      <li>
        <StateShape state="allowed" /> {STATE_TEXTS.allowed} by a policy, not in use
      </li>
      <li>
        <svg viewBox="0 0 12 12" className="fso-shape" aria-hidden="true">
          <rect x="3" y="3" width="6" height="6" className="fso-shape-cluster" />
        </svg>{' '}
        Cluster, connected
      </li>
      <li>
        <svg viewBox="0 0 12 12" className="fso-shape" aria-hidden="true">
          <rect x="3" y="3" width="6" height="6" className="fso-shape-cluster fso-shape-hollow" />
        </svg>{' '}
        Cluster, not known to be connected
      </li>
    </ul>
  </figcaption>
);
