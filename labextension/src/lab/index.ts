import { manager } from './manager';
import { output } from './output/plugin';

export default [manager, output];
