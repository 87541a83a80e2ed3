import { Button } from '@patternfly/react-core';
import ArrowUpIcon from '@patternfly/react-icons/dist/esm/icons/arrow-up-icon';
import { formatNumber } from '../../components/format-number.ts';

interface HeldButtonProps {
  readonly held: number;
  readonly noun: readonly [one: string, many: string];
  readonly onShow: () => void;
}

/** What came while the reader was further down. */
export const HeldButton = ({ held, noun, onShow }: HeldButtonProps) => (
  <div role="status" className="fso-held">
    {held === 0 ? null : (
      <Button
        variant="secondary"
        size="sm"
        icon={<ArrowUpIcon />}
        onClick={() => {
          onShow();
          document.querySelector('.fso-table')?.scrollTo({ top: 0 });
        }}
      >
        {formatNumber(held)} new {held === 1 ? noun[0] : noun[1]}
      </Button>
    )}
  </div>
);
