import { Button } from '@patternfly/react-core';
import ArrowUpIcon from '@patternfly/react-icons/dist/esm/icons/arrow-up-icon';
import { count } from '../../lib/format.ts';

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
        {count(held, `new ${noun[0]}`, `new ${noun[1]}`)}
      </Button>
    )}
  </div>
);
