import BanIcon from '@patternfly/react-icons/dist/esm/icons/ban-icon';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import HourglassHalfIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-half-icon';
import PendingIcon from '@patternfly/react-icons/dist/esm/icons/pending-icon';
import { type Look, StateLabel } from '../../components/state-label.tsx';
import type { Place } from './cluster-way.ts';

export const PLACE_WORDS: Readonly<Record<Place, string>> = {
  refused: 'Refused',
  offer: '④ Not offered yet',
  accept: '⑤ Not accepted yet',
  write: '⑥ Not written yet',
  prove: '⑦ Not proven yet',
  proven: 'Proven',
};

const LOOKS: Readonly<Record<Place, Omit<Look, 'text'>>> = {
  refused: { icon: BanIcon, color: 'red', title: 'Its agent refused the commit and keeps the last good one' },
  offer: { icon: PendingIcon, color: 'grey', title: 'It is not connected, or its turn has not come' },
  accept: { icon: HourglassHalfIcon, color: 'blue', title: 'Offered; the agent has not verified and accepted it' },
  write: { icon: HourglassHalfIcon, color: 'blue', title: 'Accepted; its objects are not all in the cluster' },
  prove: { icon: HourglassHalfIcon, color: 'blue', title: 'Written; a policy is not proven by both locks' },
  proven: { icon: CheckCircleIcon, color: 'green', title: 'Every policy is proven by both locks' },
};

/** Which step a cluster waits at, or how it ended there. */
export const PlaceLabel = ({ place }: { readonly place: Place }) => <StateLabel look={{ text: PLACE_WORDS[place], ...LOOKS[place] }} />;
