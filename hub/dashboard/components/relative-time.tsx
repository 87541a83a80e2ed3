import { Tooltip } from '@patternfly/react-core';
import { exactTime, relativeTime, resolutionOf } from '../lib/time.ts';
import { useNow } from '../lib/use-now.ts';

interface RelativeTimeProps {
  /** RFC 3339. */
  readonly time: string | null | undefined;
  /** What stands there when there is no time. */
  readonly absent?: string;
}

/** How long ago, or until when; the exact time when pointed at or focused. */
export const RelativeTime = ({ time, absent = 'never' }: RelativeTimeProps) =>
  time === null || time === undefined ? <span className="fso-muted">{absent}</span> : <Ticking time={time} />;

const Ticking = ({ time }: { readonly time: string }) => {
  const at = Date.parse(time);
  const now = useNow(resolutionOf(at, Date.now()));
  return (
    <Tooltip content={exactTime(at)}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: by keyboard, too, one gets at the exact time. */}
      <time dateTime={time} tabIndex={0} className="fso-time">
        {relativeTime(at, now)}
      </time>
    </Tooltip>
  );
};
