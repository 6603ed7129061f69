import { LabIcon } from '@jupyterlab/ui-components';

const svgstr = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16" fill="none">
  <path class="jp-icon3" stroke="#616161" stroke-width="1.4" stroke-linejoin="round"
    d="M8 1.8 13.5 5v6L8 14.2 2.5 11V5L8 1.8Zm0 6.3L13.2 5M8 8.1v6M8 8.1 2.8 5"/>
</svg>`;

/** A package. */
export const packageIcon = new LabIcon({ name: 'jupyter-pkgmgr:package', svgstr });
