import { Button } from '@patternfly/react-core';
import { useState } from 'react';
import { isGroup, truncateList } from '../../lib/truncate.ts';

const FEW = 2;

interface AllowedRegionsProps {
  /** As written, groups not expanded. */
  readonly allowed: readonly string[];
  readonly effective: readonly string[];
}

const Written = ({ allowed, isOpen }: { readonly allowed: readonly string[]; readonly isOpen: boolean }) => {
  const { shown, hidden } = isOpen ? { shown: allowed, hidden: 0 } : truncateList(allowed, FEW);
  return (
    <div>
      {shown.join(', ')}
      {hidden > 0 ? <span className="fso-muted"> and {hidden} more</span> : null}
    </div>
  );
};

/** Regions as the policy names them, and on demand all that they come to. */
export const AllowedRegions = ({ allowed, effective }: AllowedRegionsProps) => {
  const [isOpen, setOpen] = useState(false);
  const says = `${effective.length} ${effective.length === 1 ? 'region' : 'regions'}`;
  const isWhole = allowed.length <= FEW + 1 && !allowed.some(isGroup);
  return (
    <div>
      <Written allowed={allowed} isOpen={isOpen} />
      {isWhole ? null : (
        <Button variant="link" isInline size="sm" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? `Hide the ${says}` : says}
        </Button>
      )}
      {isOpen ? <div className="fso-muted">{effective.join(', ') || 'none'}</div> : null}
    </div>
  );
};
