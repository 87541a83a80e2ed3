import type { ButtonProps } from '@patternfly/react-core';
import BellSlashIcon from '@patternfly/react-icons/dist/esm/icons/bell-slash-icon';
import { useState } from 'react';
import { RoleButton } from '../buttons.tsx';
import type { MatcherDraft } from './silence-draft.ts';
import { SilenceModal } from './silence-modal.tsx';

interface SilenceButtonProps extends Pick<ButtonProps, 'size' | 'variant'> {
  /** Initial matchers of the dialog. */
  readonly matchers: readonly MatcherDraft[];
  readonly label: string;
}

/** Opens the dialog that silences alerts. */
export const SilenceButton = ({ matchers, label, ...look }: SilenceButtonProps) => {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <RoleButton needs="operator" variant="secondary" icon={<BellSlashIcon />} {...look} onClick={() => setOpen(true)}>
        {label}
      </RoleButton>
      {isOpen ? <SilenceModal matchers={matchers} onClose={() => setOpen(false)} /> : null}
    </>
  );
};
