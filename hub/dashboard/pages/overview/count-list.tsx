import type { ComponentType, ReactNode } from 'react';
import { formatNumber } from '../../lib/format.ts';

export interface CountRow {
  readonly key: string;
  readonly icon: ComponentType;
  /** `plain` where a number is neither good nor bad, or is zero. */
  readonly tone: 'good' | 'danger' | 'warning' | 'info' | 'plain';
  /** What is counted; a link to what is behind the number. */
  readonly title: ReactNode;
  readonly value: number;
  readonly note?: ReactNode;
}

/** Numbers with what they count. */
export const CountList = ({ label, rows }: { readonly label: string; readonly rows: readonly CountRow[] }) => (
  <ul className="fso-counts" aria-label={label}>
    {rows.map(({ key, icon: Icon, tone, title, value, note }) => (
      <li key={key}>
        <span className={`fso-tone-${value === 0 ? 'plain' : tone}`}>
          <Icon />
        </span>
        <span>
          {title}
          {note === undefined ? null : <span className="fso-count-note">{note}</span>}
        </span>
        <span className="fso-count-value">{formatNumber(value)}</span>
      </li>
    ))}
  </ul>
);
