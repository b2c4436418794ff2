/* Nothing: linked with one library each, to find out under which name that is opened (see meson.build and tools/library-names).
 */
