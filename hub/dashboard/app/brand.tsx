/** The shield of favicon.svg and the name. */
export const Brand = () => (
  <span className="fso-brand">
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <path className="fso-brand-shield" d="M16 2 4 6v9c0 7.5 5 12.6 12 15 7-2.4 12-7.5 12-15V6z" />
      <path className="fso-brand-tick" d="m10 16 4.5 4.5L22.5 12" />
    </svg>
    <span className="fso-brand-name">Federated Sovereignty</span>
  </span>
);
