import { Icon } from '@patternfly/react-core';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import { RelativeTime } from '../../components/text.tsx';
import { type CertificateState, certificateState } from '../../lib/health.ts';
import { useNow } from '../../lib/time.ts';

const WORDS: Readonly<Record<CertificateState, string | undefined>> = {
  good: undefined,
  none: undefined,
  late: 'not renewed',
  expired: 'expired',
};

/** Until when an agent can prove who it is, and what is wrong with that. */
export const CertificateExpiry = ({ expires }: { readonly expires: string | null }) => {
  const word = WORDS[certificateState(expires, useNow(60_000))];
  return (
    <>
      <RelativeTime time={expires} absent="none" />
      {word === undefined ? null : (
        <div className="fso-nowrap">
          <Icon status={word === 'expired' ? 'danger' : 'warning'} isInline>
            <ExclamationTriangleIcon />
          </Icon>{' '}
          {word}
        </div>
      )}
    </>
  );
};
