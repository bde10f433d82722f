/** The behaviour of the pages: each part does nothing where its form is missing. */

import {watchContact} from './contact.js';
import {watchFailure} from './failure.js';
import {keepFresh} from './fresh.js';
import {watchReport} from './report.js';

watchContact();
watchReport();
watchFailure();
keepFresh();
