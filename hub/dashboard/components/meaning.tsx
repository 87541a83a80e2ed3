import { Tooltip } from '@patternfly/react-core';
import type { ReactNode } from 'react';

interface MeaningProps {
  readonly text: string;
  readonly children: ReactNode;
}

/** Says more of what it is about when that is pointed at, focused or tapped. */
export const Meaning = ({ text, children }: MeaningProps) => (
  <Tooltip content={text}>
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: by keyboard, too, one gets at what it means. */}
    <span tabIndex={0} className="fso-meaning">
      {children}
    </span>
  </Tooltip>
);
