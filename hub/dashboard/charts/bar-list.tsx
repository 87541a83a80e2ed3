import './charts.css';
import type { ReactNode } from 'react';
import { formatNumber } from '../lib/format.ts';

interface Bar {
  readonly key: string;
  /** Name of the bar; a link, if there is something to follow. */
  readonly title: ReactNode;
  readonly value: number;
}

/** Bars with their names and numbers: read as a list, and as easily seen as a chart. */
export const BarList = ({ label, bars }: { readonly label: string; readonly bars: readonly Bar[] }) => {
  const longest = Math.max(1, ...bars.map(({ value }) => value));
  return (
    <ul className="fso-bars" aria-label={label}>
      {bars.map(({ key, title, value }) => (
        <li key={key}>
          <span className="fso-bar-title">{title}</span>
          <span className="fso-bar-track" aria-hidden="true">
            <span className="fso-bars-bar" style={{ inlineSize: `${(100 * value) / longest}%` }} />
          </span>
          <span className="fso-bar-value">{formatNumber(value)}</span>
        </li>
      ))}
    </ul>
  );
};
