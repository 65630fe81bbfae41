// esbuild puts the file's text into the bundle.
declare module "*.html" {
  const text: string;
  export default text;
}
