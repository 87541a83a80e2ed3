import type { Place } from './places.ts';

/** Oracle Cloud, "Regions and availability domains". */
export const ORACLE: Readonly<Record<string, Place>> = {
  'af-johannesburg-1': 'Johannesburg, South Africa',
  'ap-batam-1': 'Batam, Indonesia',
  'ap-chuncheon-1': 'Chuncheon, South Korea',
  'ap-hyderabad-1': 'Hyderabad, India',
  'ap-melbourne-1': 'Melbourne, Australia',
  'ap-mumbai-1': 'Mumbai, India',
  'ap-osaka-1': 'Osaka, Japan',
  'ap-seoul-1': 'Seoul, South Korea',
  'ap-singapore-1': 'Singapore',
  'ap-singapore-2': 'Singapore',
  'ap-sydney-1': 'Sydney, Australia',
  'ap-tokyo-1': 'Tokyo, Japan',
  'ca-montreal-1': 'Montréal, Canada',
  'ca-toronto-1': 'Toronto, Canada',
  'eu-amsterdam-1': 'Amsterdam, Netherlands',
  'eu-frankfurt-1': 'Frankfurt, Germany',
  'eu-frankfurt-2': 'Frankfurt, Germany',
  'eu-madrid-1': 'Madrid, Spain',
  'eu-madrid-2': 'Madrid, Spain',
  'eu-marseille-1': 'Marseille, France',
  'eu-milan-1': 'Milan, Italy',
  'eu-paris-1': 'Paris, France',
  'eu-stockholm-1': 'Stockholm, Sweden',
  'eu-zurich-1': 'Zürich, Switzerland',
  'il-jerusalem-1': 'Jerusalem, Israel',
  'me-abudhabi-1': 'Abu Dhabi, United Arab Emirates',
  'me-dubai-1': 'Dubai, United Arab Emirates',
  'me-jeddah-1': 'Jeddah, Saudi Arabia',
  'me-riyadh-1': 'Riyadh, Saudi Arabia',
  'mx-monterrey-1': 'Monterrey, Mexico',
  'mx-queretaro-1': 'Querétaro, Mexico',
  'sa-bogota-1': 'Bogotá, Colombia',
  'sa-santiago-1': 'Santiago, Chile',
  'sa-saopaulo-1': 'São Paulo, Brazil',
  'sa-valparaiso-1': 'Valparaíso, Chile',
  'sa-vinhedo-1': 'Vinhedo, Brazil',
  'uk-cardiff-1': 'Newport, United Kingdom',
  'uk-london-1': 'London, United Kingdom',
  'us-ashburn-1': 'Ashburn, United States',
  'us-chicago-1': 'Chicago, United States',
  'us-phoenix-1': 'Phoenix, United States',
  'us-sanjose-1': 'San Jose, United States',
};

/** IBM Cloud, "Region and data center locations". */
export const IBM: Readonly<Record<string, Place>> = {
  'au-syd': 'Sydney, Australia',
  'br-sao': 'São Paulo, Brazil',
  'ca-mon': 'Montréal, Canada',
  'ca-tor': 'Toronto, Canada',
  'eu-de': 'Frankfurt, Germany',
  'eu-es': 'Madrid, Spain',
  'eu-gb': 'London, United Kingdom',
  'jp-osa': 'Osaka, Japan',
  'jp-tok': 'Tokyo, Japan',
  'us-east': 'Washington, United States',
  'us-south': 'Dallas, United States',
};

/** Alibaba Cloud, "Regions and zones"; those alone whose names no other cloud has. */
export const ALIBABA: Readonly<Record<string, Place>> = {
  'cn-beijing': 'Beijing, China',
  'cn-chengdu': 'Chengdu, China',
  'cn-guangzhou': 'Guangzhou, China',
  'cn-hangzhou': 'Hangzhou, China',
  'cn-heyuan': 'Heyuan, China',
  'cn-hongkong': 'Hong Kong',
  'cn-huhehaote': 'Hohhot, China',
  'cn-nanjing': 'Nanjing, China',
  'cn-qingdao': 'Qingdao, China',
  'cn-shanghai': 'Shanghai, China',
  'cn-shenzhen': 'Shenzhen, China',
  'cn-wulanchabu': 'Ulanqab, China',
  'cn-zhangjiakou': 'Zhangjiakou, China',
  'me-east-1': 'Dubai, United Arab Emirates',
};

/** OVHcloud, "Regions"; the number is part of the region's name on a node. */
export const OVHCLOUD: Readonly<Record<string, Place>> = {
  'AP-SOUTH-MUM-1': 'Mumbai, India',
  BHS5: 'Beauharnois, Canada',
  'CA-EAST-TOR': 'Toronto, Canada',
  DE1: 'Frankfurt, Germany',
  'EU-SOUTH-MIL': 'Milan, Italy',
  'EU-WEST-PAR': 'Paris, France',
  GRA5: 'Gravelines, France',
  GRA7: 'Gravelines, France',
  GRA9: 'Gravelines, France',
  GRA11: 'Gravelines, France',
  RBX: 'Roubaix, France',
  SBG5: 'Strasbourg, France',
  SBG7: 'Strasbourg, France',
  SGP1: 'Singapore',
  SYD1: 'Sydney, Australia',
  UK1: 'London, United Kingdom',
  'US-EAST-VA-1': 'Vint Hill, United States',
  'US-WEST-OR-1': 'Hillsboro, United States',
  WAW1: 'Warsaw, Poland',
};

/** Scaleway, "Regions and Availability Zones". */
export const SCALEWAY: Readonly<Record<string, Place>> = {
  'fr-par': 'Paris, France',
  'it-mil': 'Milan, Italy',
  'nl-ams': 'Amsterdam, Netherlands',
  'pl-waw': 'Warsaw, Poland',
};

/** Hetzner Cloud, "Locations": what its nodes have as their region. */
export const HETZNER: Readonly<Record<string, Place>> = {
  ash: 'Ashburn, United States',
  fsn1: 'Falkenstein, Germany',
  hel1: 'Helsinki, Finland',
  hil: 'Hillsboro, United States',
  nbg1: 'Nuremberg, Germany',
  sin: 'Singapore',
};
