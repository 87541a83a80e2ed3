import { Button } from '@patternfly/react-core';
import { useState } from 'react';
import { cutText } from './shortened.ts';

interface LongTextProps {
  readonly text: string;
  /** Characters that are shown at first. */
  readonly max?: number;
}

/** A text of which the rest is shown on demand. */
export const LongText = ({ text, max = 110 }: LongTextProps) => {
  const [isWhole, setWhole] = useState(false);
  const short = cutText(text, max);
  if (short === text) return text;
  return (
    <>
      {isWhole ? text : short}{' '}
      <Button variant="link" isInline aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
        {isWhole ? 'Less' : 'More'}
      </Button>
    </>
  );
};
