import { Button, type ButtonProps, Tooltip } from '@patternfly/react-core';
import CopyIcon from '@patternfly/react-icons/dist/esm/icons/copy-icon';
import { useState } from 'react';

interface CopyButtonProps extends Pick<ButtonProps, 'size' | 'variant'> {
  readonly text: string;
  /** What is copied, e.g. `Copy the whole id`. */
  readonly label: string;
  /** Without its label, which is said when the icon is pointed at or focused. */
  readonly isIcon?: boolean;
}

/** Nothing where browsers have no clipboard: for pages that came over plain HTTP from elsewhere. */
export const CopyButton = (props: CopyButtonProps) => (window.isSecureContext ? <Copy {...props} /> : null);

const Copy = ({ text, label, isIcon = false, ...look }: CopyButtonProps) => {
  const [copied, setCopied] = useState('');
  const says = copied === text ? 'Copied' : label;
  const copy = (): void => void navigator.clipboard.writeText(text).then(() => setCopied(text));
  const events = { onClick: copy, onBlur: () => setCopied('') };
  if (isIcon)
    return (
      <Tooltip content={says} aria="none" aria-live="polite">
        <Button variant="plain" hasNoPadding icon={<CopyIcon />} aria-label={label} {...events} />
      </Tooltip>
    );
  return (
    <Button icon={<CopyIcon />} {...look} {...events}>
      <span aria-live="polite">{says}</span>
    </Button>
  );
};
