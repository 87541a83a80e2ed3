import { Button } from '@patternfly/react-core';
import ExpandIcon from '@patternfly/react-icons/dist/esm/icons/expand-icon';
import MinusIcon from '@patternfly/react-icons/dist/esm/icons/minus-icon';
import PlusIcon from '@patternfly/react-icons/dist/esm/icons/plus-icon';

interface MapButtonsProps {
  readonly onZoomIn: () => void;
  readonly onZoomOut: () => void;
  readonly onReset: () => void;
}

export const MapButtons = ({ onZoomIn, onZoomOut, onReset }: MapButtonsProps) => (
  <div className="fso-map-buttons">
    <Button variant="secondary" size="sm" aria-label="Zoom in" icon={<PlusIcon />} onClick={onZoomIn} />
    <Button variant="secondary" size="sm" aria-label="Zoom out" icon={<MinusIcon />} onClick={onZoomOut} />
    <Button variant="secondary" size="sm" aria-label="Show the whole map" icon={<ExpandIcon />} onClick={onReset} />
  </div>
);
