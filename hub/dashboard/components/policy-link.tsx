import { Link } from '@tanstack/react-router';

interface PolicyLinkProps {
  /** namespace/name */
  readonly policy: string;
  /** Shows the name alone, where the namespace is clear. */
  readonly isShort?: boolean;
}

export const PolicyLink = ({ policy, isShort = false }: PolicyLinkProps) => {
  const [namespace = '', name = ''] = policy.split('/');
  return (
    <Link to="/policies/$namespace/$name" params={{ namespace, name }}>
      {isShort ? name : policy}
    </Link>
  );
};
