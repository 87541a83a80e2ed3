import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import HourglassEndIcon from '@patternfly/react-icons/dist/esm/icons/hourglass-end-icon';
import { RelativeTime } from '../../components/text.tsx';
import { expiryOf, useNow } from '../../lib/time.ts';

const MINUTE_MS = 60_000;

/** When a policy ends; an end that is near or past says so. */
export const Expires = ({ date }: { readonly date: string | undefined }) => {
  const now = useNow(MINUTE_MS);
  const expiry = expiryOf(date, now);
  if (expiry === 'never') return <span className="fso-muted">never</span>;
  return (
    <span>
      {expiry === 'soon' ? <ExclamationTriangleIcon className="fso-warning" /> : null}
      {expiry === 'past' ? <HourglassEndIcon /> : null} <RelativeTime time={date} />
      {expiry === 'soon' ? <span className="fso-muted"> (soon)</span> : null}
    </span>
  );
};
