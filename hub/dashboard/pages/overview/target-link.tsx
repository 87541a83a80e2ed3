import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Target } from './attention.ts';

/** Leads to the page, filtered, that says more. */
export const TargetLink = ({ target, children }: { readonly target: Target; readonly children: ReactNode }) => {
  switch (target.page) {
    case 'policies':
      return (
        <Link to="/policies" search={target.search}>
          {children}
        </Link>
      );
    case 'clusters':
      return (
        <Link to="/clusters" search={target.search}>
          {children}
        </Link>
      );
    case 'cluster':
      return (
        <Link to="/clusters/$name" params={{ name: target.name }}>
          {children}
        </Link>
      );
    case 'compliance':
      return (
        <Link to="/compliance" search={target.search}>
          {children}
        </Link>
      );
    case 'verification':
      return <Link to="/audit/verification">{children}</Link>;
    case 'commit':
      return (
        <Link to="/activity/$revision" params={{ revision: target.revision }}>
          {children}
        </Link>
      );
  }
};
